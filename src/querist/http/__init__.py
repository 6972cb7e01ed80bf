"""What every HTTP application of querist shares: limits, headers, problems, a bounded count of tries."""
