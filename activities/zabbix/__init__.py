"""Zabbix's API, as far as actions need it."""
