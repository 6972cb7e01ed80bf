"""The loop in the tools that teams have: Airflow, Prefect, cron and GitHub Actions run querist's commands."""
