"""Networks: plain modules with explicit arguments, one file per family.

Every classifier takes ``num_classes`` (``None``: headless), ``in_channels`` and ``image_size``, and
keeps the promises of :class:`fovea.models.protocol.Classifier`.
"""
