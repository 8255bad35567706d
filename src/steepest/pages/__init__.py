"""Pages to play with: one HTML file each, without a server or a network, for a lecture or a course's site."""
