"""The loop for Prometheus: one list of metrics, from which their values, alert rules, dashboard and page come."""
