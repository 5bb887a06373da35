"""A recording for other tools: Rerun's viewer, TensorBoard, Weights & Biases."""
