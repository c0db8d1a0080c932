-- The newest record of each ticket.
SELECT _file, _line, "Id", nullif("Requester email", '-') AS "Requester email",
  nullif("Ticket Category [list]", '-') AS "Ticket Category [list]", nullif("Ticket type", '-') AS "Ticket type",
  nullif("Priority", '-') AS "Priority", nullif("Status", '-') AS "Status", nullif("Tags", '-') AS "Tags",
  nullif("Created at", '-') AS "Created at", nullif("Solved at", '-') AS "Solved at"
FROM tickets
QUALIFY row_number() OVER (PARTITION BY "Id" ORDER BY "Updated at" DESC NULLS LAST, _file DESC, _line DESC) = 1
