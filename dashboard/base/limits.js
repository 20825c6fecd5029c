// How much the API takes, by its own figures: a form refuses no more and no less than the server would.

export const NAME_LENGTH_MAX = 200;
export const DESCRIPTION_LENGTH_MAX = 2_000;
export const REASON_LENGTH_MAX = 500;
export const SLUG_LENGTH_MAX = 63;
export const EMAIL_LENGTH_MAX = 254;
export const ROLE_NAME_LENGTH_MAX = 60;
export const ROLE_DESCRIPTION_LENGTH_MAX = 500;
export const CONDITION_LENGTH_MAX = 100;
export const PASSWORD_LENGTH_MIN = 15;
export const LIFETIME_SECONDS_MAX = 2_147_483_647;
