"""What a problem needs of the machine and a campaign does not hold: its interpreter, its data, what was prepared."""
