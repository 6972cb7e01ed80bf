"""Raw data: readers that stream a source row by row, and the check that turns rows into items."""
