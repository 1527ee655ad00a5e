"""Records in and answers out: consumer, publisher, delivery, and the client workarounds."""
