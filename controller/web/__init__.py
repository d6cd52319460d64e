"""What answers over HTTP: the application, and the resolver's hot route beside it."""
