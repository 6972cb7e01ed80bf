"""Floor 1: types, protocols, choosing and naming. numpy only."""
