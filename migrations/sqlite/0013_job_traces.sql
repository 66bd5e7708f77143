-- The span in which a job was asked for, as a W3C traceparent, when that was traced.
ALTER TABLE jobs ADD COLUMN traceparent TEXT;
