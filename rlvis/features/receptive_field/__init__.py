"""Which pixels each place of a layer's map depends on, traced through the operations, exactly."""
