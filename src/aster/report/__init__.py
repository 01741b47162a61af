"""Typed views of a campaign, and the figures, document and folder made from them.

Views (`progress`, `summary`, `claims`, `headline`, `page`) are computed before anything is drawn or rendered;
matplotlib and jinja2 are imported only by the functions that need them. `folder.write_report` does it all.
"""
