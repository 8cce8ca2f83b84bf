"""What our lab adds to drkit."""
