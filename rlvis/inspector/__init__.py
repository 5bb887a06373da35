"""The inspector: a page in the browser beside a network that acts. Imports anything below `cli`."""
