"""``python -m fovea`` is ``fovea``: nothing is imported from the working folder."""

import sys

if __name__ == "__main__" and not sys.flags.safe_path:
    del sys.path[0]  # the working folder, which -m puts there

from fovea.cli import main

if __name__ == "__main__":
    main()
