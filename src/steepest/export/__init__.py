"""A finished comparison in the forms that papers, slides and other tools take."""

from steepest.export.write import FORMATS, Export, export_folder

__all__ = ["FORMATS", "Export", "export_folder"]
