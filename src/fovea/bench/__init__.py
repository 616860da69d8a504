"""fovea held against other ways to write the same training."""

NETWORKS = {"conv_net": "ConvNeuralNet", "resnet": "ResNet-20", "simple_cnn": "SimpleCNN"}
EXPERIMENT = "speed"  # where results are published
PARTS = ("training", "profile", "kernels", "overhead", "startup", "answers", "sweep", "accuracy")
