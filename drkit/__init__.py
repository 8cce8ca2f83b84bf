"""drkit: grade diabetic retinopathy from fundus photographs by transfer learning."""

__version__ = "0.1.0"
