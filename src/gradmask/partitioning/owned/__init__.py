"""Modules that one group owns whole, and what groups add to them: tables, adapters, experts."""
