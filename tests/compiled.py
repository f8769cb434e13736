"""Run a script as `python SCRIPT` does, but keep the compiled code for the next time.

    python compiled.py FOLDER SCRIPT [OPTION ...]

Python keeps the code of modules, and compiles a script anew whenever it starts. For the checker,
which is long and is started a few hundred times by the tests, that is half of the time it needs to
start. FOLDER is where the code is kept; nothing is written beside the script.
"""

import os
import sys
from importlib.machinery import SourceFileLoader


def code_of(script: str, folder: str):
    """Return the code of a script, from the folder if it has been there before."""
    before = sys.pycache_prefix, sys.dont_write_bytecode
    sys.pycache_prefix, sys.dont_write_bytecode = folder, False
    code = SourceFileLoader("__main__", script).get_code("__main__")
    sys.pycache_prefix, sys.dont_write_bytecode = before
    return code


_, folder, __file__, *_ = sys.argv
sys.argv[:2] = []
sys.path[0] = os.path.dirname(__file__)
exec(code_of(__file__, folder), globals())
