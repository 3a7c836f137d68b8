"""Other people's machines: jobs that run there what runs here. No algorithms."""
