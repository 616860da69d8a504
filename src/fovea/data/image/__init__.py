"""The data module of images: splits, fits, holds and serves them."""
