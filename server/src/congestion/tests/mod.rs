mod hostile;
mod link;
mod paths;
mod traces;
