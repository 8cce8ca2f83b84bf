"""Export of runs to formats of other programs: ONNX files and timm folders."""
