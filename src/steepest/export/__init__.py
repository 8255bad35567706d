"""A finished comparison in the forms that papers, slides and other tools take, and its model for other programs."""

from steepest.export.write import FORMATS, MODEL_FORMATS, Export, export_folder

__all__ = ["FORMATS", "MODEL_FORMATS", "Export", "export_folder"]
