"""Operations of the system, from issuing and verifying tokens to sign-in and audit, without GraphQL or HTTP."""
