"""SARIF 2.1.0, the output format of many static analysis tools: read a log, and write one."""
