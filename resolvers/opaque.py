"""Opaque random strings for sessions and invitations: 256 bits, base64url, stored as SHA-256."""

import base64

from spacekey.domain.secret import Entropy, Secret


def opaque_secret(entropy: Entropy) -> Secret:
    """43 characters that mean nothing."""
    return Secret(base64.urlsafe_b64encode(entropy(32)).decode().rstrip("="))
