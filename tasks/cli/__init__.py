"""What the console command and the tools call."""
