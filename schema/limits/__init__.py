"""What one document and one operation may cost."""
