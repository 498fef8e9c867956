"""How Sphinx builds the site: ``sphinx-build -W --keep-going -n docs site``."""

import os
import sys
from pathlib import Path

HERE = Path(__file__).parent
os.environ["COLUMNS"] = "100"  # how wide argparse and tables write, whatever the terminal
os.environ["NO_COLOR"] = "1"
sys.path[:0] = [str(HERE / "_extensions"), str(HERE.parent)]

import roofline  # noqa: E402

project = "roofline"
author = "The roofline developers"
version = release = roofline.__version__

extensions = [
    "sphinx.ext.autodoc",
    "numpydoc",
    "myst_nb",
    "sphinx_copybutton",
    "docstrings",
    "breakable",
    "mathjax_offline",
    "generated",
]
exclude_patterns = ["_extensions", "_static", "**.ipynb_checkpoints"]
nitpicky = True
nitpick_ignore = [("py:data", "sys.modules"), ("py:attr", "Sweep.problems")]
nitpick_ignore_regex = [
    # Types of other libraries, whose pages could only be reached over the network, and names that stand for types.
    (
        "py:class",
        r"(collections\.abc|pathlib|matplotlib|numpy|np|pydantic|datetime|dt|concurrent|pandas|polars|xarray|sympy)\..*",
    ),
    ("py:class", r"roofline\.[\w.]+"),  # of signatures; a name in a docstring has no path and is checked
    ("py:class", r"(Path|Axes|Figure|Num|Positive|TokenMixer|FeedForward|Kind|HardwareSpec|TypeAliasForwardRef)"),
]

autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_type_aliases = {"Num": "Num"}
autodoc_default_options = {"members": True, "exclude-members": "model_config"}
numpydoc_show_class_members = False
numpydoc_xref_param_type = False
python_maximum_signature_line_length = 90
add_module_names = False

myst_enable_extensions = ["colon_fence", "deflist", "dollarmath"]
myst_heading_anchors = 3
nb_execution_mode = "off"  # notebooks are run by CI, and shown as they were stored
nb_merge_streams = True

html_theme = "furo"
html_title = f"roofline {release}"
html_copy_source = False
html_show_sourcelink = False
html_show_copyright = False
html_static_path = ["_static"]
html_css_files = ["roofline.css"]
copybutton_prompt_text = r">>> |\.\.\. |\$ "
copybutton_prompt_is_regexp = True
copybutton_line_continuation_character = "\\"
