mod hostile;
mod link;
mod paths;
