"""Small changes of an image that turn the decision (FGSM, PGD), and their pictures."""
