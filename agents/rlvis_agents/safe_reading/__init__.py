"""Reading files of others without running what is in them: pickles, tensors, JSON."""
