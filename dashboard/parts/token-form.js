// The first fields of a token's forms, in one order: what it is called, when it ends, what it is for.

import { t } from "../base/texts.js";
import { DESCRIPTION_LENGTH_MAX, NAME_LENGTH_MAX } from "../base/limits.js";
import { nameWord } from "./shown-part.js";
import { textField } from "./field.js";

/** The fields; expiry is the element that asks for the end. More facts go to the name's field. */
export function aboutFields(workspace, expiry, { name = "", description = "", hint } = {}) {
  return [
    textField({
      name: "name",
      label: nameWord(workspace),
      hint,
      value: name,
      required: true,
      maxlength: NAME_LENGTH_MAX,
      placeholder: t("tokens.nameExample"),
    }),
    expiry,
    textField({
      name: "description",
      label: t("tokens.description"),
      value: description ?? "",
      rows: 2,
      placeholder: t("tokens.descriptionExample"),
      required: false,
      maxlength: DESCRIPTION_LENGTH_MAX,
    }),
  ];
}
