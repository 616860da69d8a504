"""``python -m fovea`` is ``fovea``."""

from fovea.cli import main

if __name__ == "__main__":
    main()
