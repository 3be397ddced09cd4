"""Rows of inlines, for those who hear a table."""

from django import forms


def name_row(form: forms.BaseForm, row: str) -> None:
    """Name each field of a row to those who hear it; the table's header is only to be seen."""
    for field in form.fields.values():
        field.widget.attrs["aria-label"] = f"{field.label}, {row}" if row else str(field.label)
