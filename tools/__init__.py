"""What others take away: files that stand alone and import nothing of Countersign."""
