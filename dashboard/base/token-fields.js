// What pages ask of tokens.

/** A row of the table. */
export const TOKEN_ROW = `fragment TokenRow on Token {
  id displayId name description kind environment prefix maskedToken role grants scopes status
  createdAt createdBy { kind actorId name unproven } expiresAt graceEndsAt disabledAt lastUsedAt lastUsedIp
  space { id name } }`;

/** The page of one token. */
export const TOKEN_WHOLE = `fragment TokenWhole on Token {
  ...TokenRow revokedAt revokedReason externalId metadata importedFrom
  rotatedFrom { ...TokenRow } rotatedTo { ...TokenRow } } ${TOKEN_ROW}`;
