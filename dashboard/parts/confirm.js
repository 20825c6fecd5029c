// "Are you sure?" with the consequence, and where it matters a word to type.

import { t } from "../base/texts.js";
import { h } from "../base/dom.js";
import { openDialog } from "./dialog.js";
import { setFieldError, textField } from "./field.js";
import { form } from "./form.js";

/**
 * Ask before doing something. act(values) does it inside the dialog, so that its errors show there.
 * typed: a text to be typed first. fields: more controls. Resolves to true when it was done.
 */
export async function confirmed({ title, text, button, act, typed, fields = [], danger = true }) {
  const dialog = openDialog({
    title,
    content: (close) => {
      const typing = typed
        ? textField({ name: "typed", label: t("shared.typeToConfirm", { typed }), required: true })
        : null;
      const cancel = () => close(false);
      const send = async (values, element) => {
        if (typed && values.typed.trim() !== typed) {
          setFieldError(element, "typed", t("shared.typedWrong", { typed }));
          element.elements.typed.focus();
          return;
        }
        await act(values);
        close(true);
      };
      const lines = [text].flat().map((line) => (typeof line === "string" ? h("p", {}, line) : line));
      return [...lines, form({ fields: [...fields, typing], submit: button, send, cancel, danger })];
    },
  });
  return (await dialog.closed) === true;
}
