"""An application with users, sign-in and tenants of its own, whose users get API keys on its own pages."""
