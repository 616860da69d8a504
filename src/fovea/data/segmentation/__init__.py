"""The data module of images with a class for every pixel."""
