"""What has the network learned? Filters, strongest patches, units, codes, images it dreams of."""
