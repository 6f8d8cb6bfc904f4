"""What providers act on in a rehearsal: each module is one piece of the world."""
