"""Making problem folders: a small one to begin with, or one around code that exists.

scaffold, script, autoresearch, openevolve   what `aster init` can make; each returns a `Made`
gather, scan, seeds                          reading the code that is wrapped, never running it
outline, names, place                        writing problem.toml, and the folder as a whole or not at all
"""
