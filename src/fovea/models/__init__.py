"""Networks: plain modules with explicit arguments, one file per family.

Every classifier takes ``num_classes`` (``None``: headless), ``in_channels`` and ``image_size``, and
its layers have names (``get_submodule("convs.0")``).
"""
