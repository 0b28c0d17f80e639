"""One kind, one file: where it is listed, its health, columns, relations and actions."""
