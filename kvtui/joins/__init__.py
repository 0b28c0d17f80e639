"""Rows joined from several records: resources show them and rules judge them, so each join is made once."""
