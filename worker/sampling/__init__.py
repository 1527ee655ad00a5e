"""Choice and storage of cases for labeling."""
