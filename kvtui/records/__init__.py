"""Objects as their APIs serve them, decoded into typed structs that declare only the fields used."""
