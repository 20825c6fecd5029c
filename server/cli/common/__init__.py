"""What commands share: options, output, look-ups, and how a command runs."""
